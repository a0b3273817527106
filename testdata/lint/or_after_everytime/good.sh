everytime && make
everytime && { make || true; }
