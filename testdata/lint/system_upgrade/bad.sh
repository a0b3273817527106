next_stage && apt-get update && apt-get upgrade -y
