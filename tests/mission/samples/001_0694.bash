# Run a specific task
flyte run my_workflow.py process_file --filename "data.csv"

# Run with multiple parameters
flyte run my_workflow.py data_pipeline --input_path "/data" --batch_size 100
