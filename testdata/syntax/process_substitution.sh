diff <(a | b) <(c)
tar x > >(d)
