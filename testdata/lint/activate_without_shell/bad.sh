next_stage && conda activate tools && pip install ape==1.0
