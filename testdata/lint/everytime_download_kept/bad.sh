everytime && wget https://example.org/data-1.2.csv
