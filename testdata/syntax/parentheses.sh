echo (a)
find . ( -name a )
