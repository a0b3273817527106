next_stage && pip install --requirement "$COMPDIR/requirements.txt"
