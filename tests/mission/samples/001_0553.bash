flyte run <source_file_path> <task_name> --<input_1> <value_1> --<input_2> <value_2>
