# cpu.gp - CPU a delivery by window, a line a system. report.py sets data, count and out.
set terminal svg size 760,460 font "DejaVu Sans,13" background "white"
set output out
set title "CPU a delivery, 1,000 members in one room"
set xlabel "unanswered messages of the publisher (window)"
set ylabel "µs a delivery (user and system)"
set logscale xy
set xtics (1, 8, 64)
set xrange [0.8:80]
set grid ytics lc rgb "#dddddd"
set key outside right top Left reverse
plot for [i=0:count-1] data index i using 1:2 with linespoints lw 2 pt 7 ps 0.7 \
    title columnheader(1)
