next_stage && pip install numpy>=1.2
