// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards how guest RAM lies in the launcher: as the pages of its file ask for, which on hugetlbfs
 * may be of 1 GiB; the filesystem is made up here, since few hosts have such pages to spare.
 */
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "vm/ram.h"

#define PAGE_2M		(2 * MIB)

static struct statfs fs;

/* In place of the C library's. */
int fstatfs(int fd, struct statfs *to)
{
	*to = fs;
	return 0;
}

static bool is_aligned(const struct guest_ram *ram, u64 align)
{
	return !((uintptr_t)ram->host & (align - 1)) && !(ram->size & (align - 1));
}

TEST(lies_as_the_pages_of_its_file)
{
	struct guest_ram ram;
	struct error err;

	fs = (struct statfs){ .f_type = HUGETLBFS_MAGIC, .f_bsize = GIB };
	ASSERT_EQ(0, ram_create(&ram, 1500 * MIB, "/tmp", &err));
	EXPECT_EQ(2 * GIB, ram.size);
	EXPECT_TRUE(is_aligned(&ram, GIB));
	ram.host[2 * GIB - 1] = 1;
	ram_destroy(&ram);

	fs.f_bsize = PAGE_2M;
	ASSERT_EQ(0, ram_create(&ram, 6 * MIB, "/tmp", &err));
	EXPECT_EQ(6 * MIB, ram.size);
	EXPECT_TRUE(is_aligned(&ram, PAGE_2M));
	ram_destroy(&ram);
}

/* Other filesystems map any page, however they count blocks. */
TEST(lies_by_2_mib_else)
{
	struct guest_ram ram;
	struct error err;

	fs = (struct statfs){ .f_type = TMPFS_MAGIC, .f_bsize = GIB };
	ASSERT_EQ(0, ram_create(&ram, 6 * MIB, "/tmp", &err));
	EXPECT_EQ(6 * MIB, ram.size);
	EXPECT_TRUE(is_aligned(&ram, PAGE_2M));
	ram_destroy(&ram);
}

/* Room is needed for whole pages. */
TEST(has_room_for_whole_pages)
{
	struct guest_ram ram;
	struct error err;

	fs = (struct statfs){
		.f_type = HUGETLBFS_MAGIC, .f_bsize = GIB, .f_blocks = 1, .f_bavail = 1,
	};
	ASSERT_EQ(-1, ram_create(&ram, 1500 * MIB, "/tmp", &err));
	EXPECT_EQ(STATUS_OS, err.status);
	ASSERT_EQ(0, ram_create(&ram, 900 * MIB, "/tmp", &err));
	EXPECT_EQ(GIB, ram.size);
	ram_destroy(&ram);
}

TEST_HARNESS_MAIN
