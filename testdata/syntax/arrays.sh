a=(1 2
   3)
local b=(4)
next_stage && a+=(x)
