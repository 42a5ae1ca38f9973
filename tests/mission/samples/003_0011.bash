flyte deploy --all my_example.py
