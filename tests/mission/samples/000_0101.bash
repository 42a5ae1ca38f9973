flyte run deployed-task my_env.my_task --name "World"
