echo 'a
echo b
