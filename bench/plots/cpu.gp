# cpu.gp - CPU a delivery by window, a line a system: report.py sets data (a block for each,
# its name first, then window and microseconds), count and out.
set terminal svg size 760,460 font "DejaVu Sans,13" background "white"
set output out
set title "CPU a delivery, 1,000 members in one room"
set xlabel "unanswered messages of the publisher (window)"
set ylabel "µs a delivery, user and system"
set logscale xy
set xtics (1, 8, 64)
set xrange [0.8:80]
set grid ytics lc rgb "#dddddd"
set key outside right top Left reverse
# In the order of the targets: the floor is dashed, roomcast stands out.
set linetype 1 lc rgb "#666666" lw 2 dt 2 pt 6
set linetype 2 lc rgb "#b07aa1" lw 2 pt 7
set linetype 3 lc rgb "#d62728" lw 4 pt 7
set linetype 4 lc rgb "#1f77b4" lw 2 pt 7
set linetype 5 lc rgb "#2ca02c" lw 2 pt 7
set linetype 6 lc rgb "#ff9d3a" lw 2 pt 7
plot for [i=0:count-1] data index i using 1:2 with linespoints lt i+1 ps 0.7 \
    title columnheader(1)
