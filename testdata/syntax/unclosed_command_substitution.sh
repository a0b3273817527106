x=$(date
echo $x
