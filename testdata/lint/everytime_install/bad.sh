everytime && pip install --requirement "$COMPDIR/requirements.txt"
