apt-get update
if [ -f x ]; do
    a
fi
next_stage && && b
case $x in
a) b ;;
esac }
x=(1 2)
echo $((1 + 
