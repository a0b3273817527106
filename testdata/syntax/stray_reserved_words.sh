in a

then b
