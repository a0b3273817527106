if [ -d x ]
