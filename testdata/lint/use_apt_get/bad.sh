next_stage && apt update && apt install -y gcc
