next_stage && Rscript -e 'install.packages("ape")'
