flyte run
    --local
    <source_file_path>
    <task_function>
    [ --<argument_1> <value_1>][...]
