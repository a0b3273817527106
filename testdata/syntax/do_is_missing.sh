while a
    b
done

for x in a b do c; done

for x in a b; c; done

for x in a b; { c; }
