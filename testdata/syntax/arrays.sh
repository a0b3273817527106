a=(1 2
   3)
local b=(4)
echo ${a[0]} ${#a[@]}
