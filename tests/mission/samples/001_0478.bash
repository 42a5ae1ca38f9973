flyte run
    deployed-task
    <task_name>
    [ --<argument_1> <value_1>]
    [...]
    [--<argument_n> <value_n>]
