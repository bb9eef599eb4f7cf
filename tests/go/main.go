// Command verify checks a log's folder with Go's own packages: golang.org/x/mod/sumdb/note and tlog.
//
// usage: verify FOLDER VKEY                        the whole log: signature, every tile, every entry, some proofs
//        verify -proof FILE VKEY                   a tlog-proof@v1 file whose extra is the entry
//        verify -tree FOLDER SIZE ROOT             a tree without a checkpoint (a release's set), root in hex
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type files struct{ root string }

func (f files) Height() int { return height }

// ReadTiles reads tiles where tlog-tiles puts them: Go's own paths have the height in front.
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil && tile.W < 1<<height {
			full := tile
			full.W = 1 << height
			path = strings.Replace(full.Path(), "tile/8/", "tile/", 1)
			data, err = os.ReadFile(filepath.Join(f.root, path))
		}
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, errors.New(path + ": too short")
		}
		all = append(all, data[:tile.W*tlog.HashSize])
	}
	return all, nil
}

func (f files) SaveTiles([]tlog.Tile, [][]byte) {}

// entries reads all entries of the bundles of a log.
func (f files) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		tile := tlog.Tile{H: height, L: -1, N: n, W: 256}
		if size-n*256 < 256 {
			tile.W = int(size - n*256)
		}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil {
			return nil, err
		}
		for len(data) > 0 {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, errors.New(path + ": cut off")
			}
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	if int64(len(all)) != size {
		return nil, fmt.Errorf("%d entries, not %d", len(all), size)
	}
	return all, nil
}

// parseTree reads a checkpoint: tlog.ParseTree would expect go.sum's first line.
func parseTree(text string, origin string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return tlog.Tree{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

func open(data []byte, vkey string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	return parseTree(opened.Text, verifier.Name())
}

// checkTree checks every entry against its tile, every tile against the root, and proofs.
func checkTree(f files, tree tlog.Tree) error {
	entries, err := f.entries(tree.N)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, f)
	for start := int64(0); start < tree.N; start += 256 {
		var wanted []int64
		for n := start; n < tree.N && n < start+256; n++ {
			wanted = append(wanted, tlog.StoredHashIndex(0, n))
		}
		found, err := reader.ReadHashes(wanted)
		if err != nil {
			return err
		}
		for i, hash := range found {
			if hash != tlog.RecordHash(entries[start+int64(i)]) {
				return fmt.Errorf("entry %d is not in its tile", start+int64(i))
			}
		}
	}
	step := tree.N/7 + 1
	for n := int64(0); n < tree.N; n += step {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(entries[n])); err != nil {
			return err
		}
		old := n + 1
		hash, err := tlog.TreeHash(old, reader)
		if err != nil {
			return err
		}
		tproof, err := tlog.ProveTree(tree.N, old, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(tproof, tree.N, tree.Hash, old, hash); err != nil {
			return err
		}
	}
	return nil
}

func checkProof(data []byte, vkey string) error {
	parts := bytes.SplitN(data, []byte("\n\n"), 2)
	if len(parts) != 2 {
		return errors.New("no proof file")
	}
	lines := strings.Split(string(parts[0]), "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no proof file")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := open(parts[1], vkey)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "-proof":
		data, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		return checkProof(data, args[2])
	case len(args) == 4 && args[0] == "-tree":
		size, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return err
		}
		var hash tlog.Hash
		root, err := hex.DecodeString(args[3])
		if err != nil || len(root) != tlog.HashSize {
			return errors.New("no root")
		}
		copy(hash[:], root)
		return checkTree(files{args[1]}, tlog.Tree{N: size, Hash: hash})
	case len(args) == 2:
		data, err := os.ReadFile(filepath.Join(args[0], "checkpoint"))
		if err != nil {
			return err
		}
		tree, err := open(data, args[1])
		if err != nil {
			return err
		}
		return checkTree(files{args[0]}, tree)
	}
	return errors.New("usage: verify FOLDER VKEY | -proof FILE VKEY | -tree FOLDER SIZE ROOT")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("holds")
}
