flyte deploy my_example.py env
