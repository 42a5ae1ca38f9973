flyte deploy <source_file_path> <variable_of_task_environment>
