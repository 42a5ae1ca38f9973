"""Inside a task: finding the code, converting inputs and outputs, and the controllers that run children.

a0.py           the program that a backend starts for an attempt
loader.py       code bundle → task
invocation.py   one call of a task's function, in either mode
controller.py   children through a backend
local/          children in this process
"""
