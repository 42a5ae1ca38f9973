flyte deploy --recursive ./directory
