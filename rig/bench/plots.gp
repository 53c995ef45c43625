# SPDX-License-Identifier: GPL-2.0
# Plots of results.tsv; "threads" is the highest number of threads in it.
set terminal svg size 720,480 font "sans,13" background "white"
set datafile separator "\t"
set xlabel "depth of the cgroup, the root is 1" offset 0,0.4
set xtics (1, 2, 3, 4, 5, 8, 16)
set xrange [0.5:16.5]
set grid ytics
set key bmargin center maxrows 3 Left reverse
row(case, n) = sprintf("< awk -F '\t' '$1 == \"%s\" && $3 == %d' results.tsv", case, n)

set output "pair.svg"
set title "A charge and its return"
set ylabel "ns"
set logscale y
if (threads == 1) {
	plot row("pair_own", 1) using 2:6 with linespoints title "stock", \
	     row("pair_own", 1) using 2:5 with linespoints title "ours"
} else {
	plot row("pair_siblings", threads) using 2:6 with linespoints title sprintf("stock, %d threads, each in its leaf", threads), \
	     row("pair_same", threads) using 2:6 with linespoints title sprintf("stock, %d threads in one leaf", threads), \
	     row("pair_own", 1) using 2:6 with linespoints title "stock, 1 thread", \
	     row("pair_siblings", threads) using 2:5 with linespoints title sprintf("ours, %d threads, each in its leaf", threads), \
	     row("pair_same", threads) using 2:5 with linespoints title sprintf("ours, %d threads in one leaf", threads), \
	     row("pair_own", 1) using 2:5 with linespoints title "ours, 1 thread"
}

set output "counters.svg"
set title "A charge and its return, one thread: other controllers"
plot row("pids", 1) using 2:5 with linespoints title "pids", \
     row("page_counter", 1) using 2:5 with linespoints title "page counter", \
     row("pair_own", 1) using 2:6 with linespoints title "stock", \
     row("pair_own", 1) using 2:5 with linespoints title "ours"
