flyte run
    <source_file_path>
    <task_name>
    [--<argument_1> <value_1> ...]
