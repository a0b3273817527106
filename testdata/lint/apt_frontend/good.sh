next_stage && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y tzdata
