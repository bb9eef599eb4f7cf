// Verifies a tree of buckets on disk with Go's own tile log: every bucket is hashed, proved through the tiles, and
// checked against the root. Usage: buckets DIR SIZE ROOT, the root in hexadecimal.
package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type reader struct{ dir string }

func (r reader) Height() int { return height }

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := r.read(tile)
		if err != nil {
			return nil, err
		}
		found[i] = data
	}
	return found, nil
}

// read strips Go's height from the path; entries are called "data" in Go.
func (r reader) read(tile tlog.Tile) ([]byte, error) {
	path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
	path = strings.Replace(path, "tile/data/", "tile/entries/", 1)
	return os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(path)))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: buckets DIR SIZE ROOT"))
	}
	size, err := strconv.ParseInt(os.Args[2], 10, 64)
	fail(err)
	packed, err := hex.DecodeString(os.Args[3])
	fail(err)
	var root tlog.Hash
	if len(packed) != len(root) {
		fail(fmt.Errorf("a root has %d bytes", len(root)))
	}
	copy(root[:], packed)
	tiles := reader{os.Args[1]}
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles)
	const width = int64(1) << height
	for start := int64(0); start < size; start += width {
		tile := tlog.Tile{H: height, L: -1, N: start / width, W: int(min(width, size-start))}
		bundle, err := tiles.read(tile)
		fail(err)
		for index := start; index < start+int64(tile.W); index++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail(fmt.Errorf("the bundle %s ends early", tile.Path()))
			}
			length := 2 + int(binary.BigEndian.Uint16(bundle))
			proof, err := tlog.ProveRecord(size, index, hashes)
			fail(err)
			fail(tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(bundle[2:length])))
			bundle = bundle[length:]
		}
		if len(bundle) != 0 {
			fail(fmt.Errorf("the bundle %s holds more", tile.Path()))
		}
	}
	fmt.Printf("%d buckets hold\n", size)
}

func min(one, other int64) int64 {
	if one < other {
		return one
	}
	return other
}
