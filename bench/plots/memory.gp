# memory.gp - memory of an idle connection, a bar a system. report.py sets data, count and
# out. Logarithmic, so the figures stand on the bars.
set terminal svg size 760,460 font "DejaVu Sans,13" background "white"
set output out
set title "Memory of the process a connection, 10,000 idle in 100 rooms"
set ylabel "bytes"
set logscale y
set yrange [100:*]
set offsets 0, 0, 20000, 0
set xrange [-0.6:count - 0.4]
set grid ytics lc rgb "#dddddd"
set style fill solid 0.6
set boxwidth 0.7
unset key
names = ""
set xtics ()
do for [i=0:count-1] {
    stats data index i using 1:2 nooutput
}
plot for [i=0:count-1] data index i using 1:2:xtic(columnheader(1)) with boxes, \
    for [i=0:count-1] data index i using 1:2:(sprintf("%.0f", $2)) with labels offset 0,0.7
