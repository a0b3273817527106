next_stage && Rscript -e 'options(warn = 2); install.packages("ape")'
