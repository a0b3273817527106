# The two versions are read.
next_stage && {
<<<<<<< HEAD
    apt-get install a
||||||| base
    apt-get install
=======
    apt-get install a b; ; 
>>>>>>> other
}
<<<<<<< HEAD
=======
next_stage && x
>>>>>>> other
=======
