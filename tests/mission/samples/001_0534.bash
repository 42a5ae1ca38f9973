flyte run
    --project <project-name>
    --domain development
    hello.py
    my_task
    --arg1 value1
    --arg2 value2
