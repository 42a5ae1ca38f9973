flyte deploy --recursive --copy-style loaded_modules ./project
