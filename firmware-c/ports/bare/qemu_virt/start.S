# Entry of the image: stack, zeroed data, trap vector, main.
    .option arch, +zicsr
    .section .init, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, __stack_top

    # The image is loaded to where it runs, so .data needs no copying; from flash it would.
    la t0, __bss_start
    la t1, __bss_end
1:  bgeu t0, t1, 2f
    sw zero, 0(t0)
    addi t0, t0, 4
    j 1b

    # The stack is painted, so that what was never touched can be counted.
2:  la t0, __stack_bottom
    li t1, 0xA5A5A5A5
3:  sw t1, 0(t0)
    addi t0, t0, 4
    bltu t0, sp, 3b

    la t0, board_trap
    csrw mtvec, t0
    call main
    call board_power_off
