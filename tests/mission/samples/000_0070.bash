python my_example.py
