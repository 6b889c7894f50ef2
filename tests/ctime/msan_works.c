/* Asks whether the compiler at hand can make a program with MemorySanitizer. */
int main(void)
{
    return 0;
}
