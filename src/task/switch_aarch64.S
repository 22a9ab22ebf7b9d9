/*
 * switch.h for AArch64, AAPCS64, ELF. A context points at twenty saved registers: x19 to x30 and d8 to d15.
 * Functions are marked for branch target identification.
 */
	.text

/* void switch_to(void **from [x0], void *to [x1]) */
	.globl	switch_to
	.hidden	switch_to
	.type	switch_to, %function
	.p2align 4
switch_to:
	.cfi_startproc
	hint	#34 /* bti c */
	sub	sp, sp, #160
	stp	x29, x30, [sp, #0]
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x2, sp
	str	x2, [x0]
	mov	sp, x1
	ldp	x29, x30, [sp, #0]
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #160
	ret
	.cfi_endproc
	.size	switch_to, . - switch_to

/* void *switch_make(void *low [x0], size_t size [x1], void (*entry)(void) [x2]): a zero frame pointer ends the chain
 * of frames. */
	.globl	switch_make
	.hidden	switch_make
	.type	switch_make, %function
	.p2align 4
switch_make:
	.cfi_startproc
	hint	#34 /* bti c */
	add	x0, x0, x1
	and	x0, x0, #-16
	sub	x0, x0, #160
	stp	xzr, x2, [x0, #0]
	ret
	.cfi_endproc
	.size	switch_make, . - switch_make

	.section .note.GNU-stack, "", %progbits

/* GNU property: branch target identification. */
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000000, 4, 1, 0
