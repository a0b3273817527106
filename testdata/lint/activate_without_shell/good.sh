next_stage && . /opt/conda/etc/profile.d/conda.sh && conda activate tools && pip install ape==1.0
