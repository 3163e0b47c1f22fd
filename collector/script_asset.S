// collector.js as it is, for collector/script.cc: rivulet_collector_script is its first byte and
// rivulet_collector_script_end the one behind its last.

.section .rodata
.global rivulet_collector_script
.hidden rivulet_collector_script
.global rivulet_collector_script_end
.hidden rivulet_collector_script_end
rivulet_collector_script:
.incbin "collector/collector.js"
rivulet_collector_script_end:
.byte 0

.section .note.GNU-stack,"",%progbits
