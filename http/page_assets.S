// The files of http/page/, as they are, for http/page.cc: rivulet_page_NAME is the first byte and
// rivulet_page_NAME_end the one behind the last.

.macro asset name, file
  .global rivulet_page_\name
  .hidden rivulet_page_\name
  .global rivulet_page_\name\()_end
  .hidden rivulet_page_\name\()_end
  rivulet_page_\name:
  .incbin "http/page/\file"
  rivulet_page_\name\()_end:
  .byte 0
.endm

.section .rodata
asset pubsub_html, pubsub.html
asset pubsub_js, pubsub.js
asset simplequeue_html, simplequeue.html
asset simplequeue_js, simplequeue.js
asset stats_html, stats.html
asset stats_js, stats.js
asset tasks_html, tasks.html
asset tasks_js, tasks.js
asset arms_html, arms.html
asset arms_js, arms.js
asset common_js, common.js
asset chart_js, chart.js
asset tail_js, tail.js
asset page_css, page.css
asset uplot_js, uplot.js
asset uplot_css, uplot.css

.section .note.GNU-stack,"",%progbits
