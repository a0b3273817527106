everytime && wget -O data-1.2.csv https://example.org/data-1.2.csv
