/*
 * switch.h for x86-64, System V calling convention, ELF. A context points at six saved registers and the address to
 * go on at. Functions are marked for indirect-branch tracking; shadow stacks are not supported. The way back is a jump, not a
 * return: the processor predicts a return by the caller it remembers, which here is always the wrong one (half the cost).
 */
	.text

/* void switch_to(void **from [rdi], void *to [rsi]) */
	.globl	switch_to
	.hidden	switch_to
	.type	switch_to, @function
	.p2align 4
switch_to:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	.cfi_adjust_cfa_offset -8
	popq	%r14
	.cfi_adjust_cfa_offset -8
	popq	%r13
	.cfi_adjust_cfa_offset -8
	popq	%r12
	.cfi_adjust_cfa_offset -8
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	notrack jmp	*%rcx
	.cfi_endproc
	.size	switch_to, . - switch_to

/* void *switch_make(void *low [rdi], size_t size [rsi], void (*entry)(void) [rdx]): a zero frame pointer and return
 * address end the chain of frames for debuggers. */
	.globl	switch_make
	.hidden	switch_make
	.type	switch_make, @function
	.p2align 4
switch_make:
	.cfi_startproc
	endbr64
	leaq	(%rdi,%rsi), %rax
	andq	$-16, %rax
	movq	$0, -8(%rax)
	movq	%rdx, -16(%rax)
	movq	$0, -24(%rax)
	leaq	-64(%rax), %rax
	ret
	.cfi_endproc
	.size	switch_make, . - switch_make

	.section .note.GNU-stack, "", @progbits

/* GNU property: indirect-branch tracking. */
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000002, 4, 1, 0
