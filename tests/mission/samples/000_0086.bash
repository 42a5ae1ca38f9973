flyte run my_example.py my_task --name "World"
