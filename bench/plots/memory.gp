# memory.gp - memory of an idle connection, a bar a system: report.py sets data (number,
# bytes and name, a line each), count and out. Logarithmic, so the figures are on the bars.
set terminal svg size 760,460 font "DejaVu Sans,13" background "white"
set output out
set title "Memory of the process a connection, 10,000 idle in 100 rooms"
set ylabel "bytes (logarithmic)"
set logscale y
set yrange [100:50000]
set xrange [-0.6:count - 0.4]
set grid ytics lc rgb "#dddddd"
set style fill solid 0.7 noborder
set boxwidth 0.7
unset key
plot data using 1:2:xtic(3) with boxes lc rgb "#1f77b4", \
    data using 1:2:(sprintf("%.0f", $2)) with labels offset 0,0.7
