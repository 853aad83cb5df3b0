# Entry: QEMU's sim machine starts the lx106 at the beginning of its system ROM. call0 calling convention.
    .section .reset, "ax"
    j _start

    .section .text.start, "ax"
    .literal_position
    .globl _start
_start:
    movi a1, __stack_top
    movi a2, __bss_start
    movi a3, __bss_end
    movi a4, 0
1:  bgeu a2, a3, 2f
    s32i a4, a2, 0
    addi a2, a2, 4
    j 1b
2:  movi a0, main
    callx0 a0
    movi a0, console_exit
    callx0 a0
