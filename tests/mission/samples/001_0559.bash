flyte run workflows/data_pipeline.py process_data --input_path "/data/raw" --batch_size 100
