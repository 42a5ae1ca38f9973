# Deploy a specific environment from a Python file
flyte deploy my_workflow.py env

# Deploy with a specific version
flyte deploy --version "v1.0.0" my_workflow.py env

# Dry run to see what would be deployed
flyte deploy --dryrun my_workflow.py env
