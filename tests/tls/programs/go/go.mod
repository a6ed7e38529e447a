module httpipe/tests

go 1.18
